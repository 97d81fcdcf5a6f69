"""gunicorn --config gunicorn.conf.py app:app"""

bind = "127.0.0.1:8000"
workers = 2
# `pip install uvicorn-worker`: gunicorn's processes, uvicorn's protocols.
worker_class = "uvicorn_worker.UvicornWorker"
# The app is imported once, before the workers are forked.
preload_app = True
graceful_timeout = 10
