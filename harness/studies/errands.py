"""From an order to an errand: what goes along, and what must stay out of sight of whoever does it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.registry import used_plugins
from harness.launch.child import Errand

if TYPE_CHECKING:
    from harness.results.store import RunStore
    from harness.sources.inputs import Inputs
    from harness.unit.order import Order


def make_errand(order: Order, inputs: Inputs, store: RunStore) -> Errand:
    """The order, and what must stay out of sight of whoever does it: labels, and the evidence of other units."""
    order.workdir.mkdir(parents=True, exist_ok=True)  # what does not exist cannot be kept visible
    plugins = used_plugins()
    lesions = [part.lesions for part in (order.train, order.val) if part is not None and part.lesions is not None]
    return Errand(
        order=order,
        plugins=plugins,
        secrets=(*inputs.secrets, *store.secrets),
        keep=(
            order.workdir,
            *order.access.files,
            *(path for some in lesions for path in some.files.values()),
            *(Path(plugin) for plugin in plugins if plugin.endswith(".py")),
        ),
        answer=order.workdir / "answer",
    )
