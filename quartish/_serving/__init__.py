"""What stands behind `serving`: sockets, the server, and the processes that it runs in."""
