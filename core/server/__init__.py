"""The ASGI server: see README.md. What the rest of the project needs is here.

``application`` makes the ASGI application; a view returns an ``EventStream`` to keep telling its client; a view with
``worker_pool = "health"`` or ``"readiness"`` is answered while all others wait.
"""
