"""From alerts to messages: routing, grouping, delivery."""
