"""What can be seen from outside: metrics, health, logs without secrets."""
