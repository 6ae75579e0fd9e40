"""The tile encoders of the field by name: what each is, where its weights are, what it was trained on. No torch."""

from harness.encoders.table.all_rows import ROWS, row_of, rows_of_repo
from harness.encoders.table.row import Row

__all__ = ["ROWS", "Row", "row_of", "rows_of_repo"]
