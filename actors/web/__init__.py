"""What can be asked over HTTP: metrics, health, and the state of every group."""
