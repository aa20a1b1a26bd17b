"""Where readings go: each module is one way out, and takes whole values with a version."""
