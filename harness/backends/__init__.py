"""Where a service runs: containers or local processes, each with its CPU limited for real and changed in place.

`service.ServiceBackend` is the backend; what differs between places is behind `service.Runtime`. Start with
`choose.choose_backend`. See docs/backends.md.
"""
