"""What a migration would meet, told before it runs; read only."""
