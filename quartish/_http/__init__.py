"""What HTTP and ASGI bring: messages, bodies, forms, heads."""
