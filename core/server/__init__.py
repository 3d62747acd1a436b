"""The ASGI server, described in README.md.

The rest of the project uses ``application.Application``, ``streams.EventStream``, which a view returns to send events,
and the attribute ``worker_pool = "health"`` or ``"readiness"`` of a view that is answered while all others wait.
"""
