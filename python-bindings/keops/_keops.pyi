from typing import Any, List, Optional, Sequence, Tuple

__version__: str

class Error(ValueError): ...

class ReductionKind:
    @property
    def name(self) -> str: ...
    @property
    def takes_k(self) -> bool: ...
    @property
    def weight(self) -> str: ...
    @property
    def is_sum(self) -> bool: ...
    @property
    def is_computed(self) -> bool: ...

def find_reduction(name: str) -> Optional[ReductionKind]: ...
def all_reductions() -> List[ReductionKind]: ...

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
        compensated: bool,
        complex_type: Optional[str],
    ) -> None: ...
    @property
    def axis(self) -> int: ...
    def call(self, arguments: Tuple[Any, ...], out: Any, ranges: Any) -> Any: ...
