"""The load driver: replays a plan open loop through Locust, in its own process, and writes one row per request.

Only `harness/load/locustfile.py` imports Locust and gevent, and nothing imports that file: Locust loads it by path.
"""
