"""All dialects on one app, as app.py registers them."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from chalice.app import Chalice

from chalicelib.api import console, dialects
from chalicelib.api.application import Application
from chalicelib.api.v1 import blueprint as v1
from chalicelib.services import Services
from regulars import libraries

_modules = cache(libraries.find_modules)
"""Read once: thousands of tests make a stage."""


@dataclass
class Stage:
    """An app whose services a test may exchange, to let one of them fail."""

    app: Chalice
    services: Services


class Failing:
    """A use case of which every verb fails in one way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, verb: str) -> Any:
        def fail(*values: object, **named: object) -> None:
            raise self._error

        return fail


def make_stage(services: Services) -> Stage:
    app = Application("dialects")
    stage = Stage(app, services)
    app.register_dialects(lambda: stage.services, at_once=True)
    app.register_blueprint(v1.make_blueprint(lambda: stage.services))
    page = console.Console(lambda: stage.services)
    page.use(_modules())
    app.register_blueprint(
        console.make_blueprint(page, dialects.find_root_answer(lambda: stage.services))
    )
    return stage
