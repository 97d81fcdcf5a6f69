"""The signals an app sends.

The sender is always the app itself (never a proxy); what else a receiver is given stands
beside each signal. Sending costs a call, so the flow asks `if signal.receivers` first.
"""

from __future__ import annotations

from blinker import NamedSignal
from blinker import Namespace

signals_available = True  # of the time when blinker was optional; extensions still ask

_signals = Namespace()

# Templates: (app, template, context)
before_render_template: NamedSignal = _signals.signal("before-render-template")
template_rendered: NamedSignal = _signals.signal("template-rendered")

# A request: (app), (app, response), (app, exc), (app, exception)
request_started: NamedSignal = _signals.signal("request-started")
request_finished: NamedSignal = _signals.signal("request-finished")
request_tearing_down: NamedSignal = _signals.signal("request-tearing-down")
got_request_exception: NamedSignal = _signals.signal("got-request-exception")

# A websocket: (app), (message), (message), (app, response or None), (app, exc), (app, exception)
websocket_started: NamedSignal = _signals.signal("websocket-started")
websocket_received: NamedSignal = _signals.signal("websocket-received")
websocket_sent: NamedSignal = _signals.signal("websocket-sent")
websocket_finished: NamedSignal = _signals.signal("websocket-finished")
websocket_tearing_down: NamedSignal = _signals.signal("websocket-tearing-down")
got_websocket_exception: NamedSignal = _signals.signal("got-websocket-exception")

# Outside of any connection: (app, exception)
got_background_exception: NamedSignal = _signals.signal("got-background-exception")
got_serving_exception: NamedSignal = _signals.signal("got-serving-exception")

# The context: (app), (app), (app, exc)
appcontext_pushed: NamedSignal = _signals.signal("appcontext-pushed")
appcontext_popped: NamedSignal = _signals.signal("appcontext-popped")
appcontext_tearing_down: NamedSignal = _signals.signal("appcontext-tearing-down")

# flash(): (app, message, category)
message_flashed: NamedSignal = _signals.signal("message-flashed")
