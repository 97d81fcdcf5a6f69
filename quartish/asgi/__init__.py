"""The ASGI door: http, websocket, lifespan, background tasks."""
