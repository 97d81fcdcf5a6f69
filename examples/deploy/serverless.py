"""For AWS Lambda behind an API gateway: `serverless.handler` (`pip install mangum`).

One request is answered at a time; there are no websockets, and nothing outlives a request.
"""

from __future__ import annotations

from app import app
from mangum import Mangum

handler = Mangum(app, lifespan="off")
