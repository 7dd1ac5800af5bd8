"""Sources as edge.toml makes them."""

from typing import Any

from regulars_edge.capture import make_source
from regulars_edge.clock import Clock
from regulars_edge.config import parse_config


def stream(url: str, clock: Any = None, **more: object) -> Any:
    """Make the source of a stream, by the settings of its camera."""
    row = {"name": "x", "source": "rtsp", "url": url, **more}
    config = parse_config({"server": {"url": "http://127.0.0.1"}, "camera": [row]})
    return make_source(config.cameras[0], config, clock or Clock())
