"""One module per service that receives notifications."""
