"""The vision of each embedding model that a tenant may name."""

from __future__ import annotations

import threading
from collections.abc import Callable

from chalicelib.core.ports import Vision


class TenantVision:
    """The visions, each made once. `default`: returns that of new tenants; `of_model`: makes that of another model."""

    def __init__(self, default: Callable[[], Vision], of_model: Callable[[str], Vision]) -> None:
        self._default = default
        self._of_model = of_model
        self._made: dict[str, Vision] = {}
        self._making = threading.Lock()

    def of(self, model: str) -> Vision:
        """Return the vision that makes this model's embeddings; the default vision if it does."""
        with self._making:
            if model not in self._made:
                default = self._default()
                self._made[model] = default if default.model == model else self._of_model(model)
            return self._made[model]
