"""What a command and a call from Python share; it reads no command line and prints nothing."""
