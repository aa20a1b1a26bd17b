"""A client for each ad platform; each module imports the official SDK of its extra, so it is imported only where it is asked for."""
