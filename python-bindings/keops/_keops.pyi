from typing import Any, Optional, Sequence, Tuple

__version__: str

class Error(ValueError): ...

class Callable:
    def __init__(
        self,
        name: str,
        formula: str,
        aliases: Sequence[str],
        declarations: Sequence[str],
        weight: Optional[str],
        k: int,
        axis: int,
        accumulator: Optional[str],
    ) -> None: ...
    @property
    def axis(self) -> int: ...
    def call(self, arguments: Tuple[Any, ...], out: Any) -> Any: ...
