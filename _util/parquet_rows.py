"""Decodes a Parquet file: a program of its own, so that its memory can be bounded.

`bounded.read_table` starts it, by its path, with the file and the bytes that this may come to, and reads its standard
output: batches of rows in Arrow's stream format.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Any, Final

MAX_MEMORY_BYTES: Final = 3 << 30
"""Limit on address space; pyarrow itself takes a tenth."""

ROWS_AT_ONCE: Final = 16
"""Few, since a row of tests may take 10 MB."""

MAX_BATCH_BYTES: Final = 256 << 20
COLUMN_BUFFER_BYTES: Final = 1 << 20


def main(path: str, most_bytes: int) -> int:
    """Write the rows of a file; returns the exit code."""
    os.environ |= {"ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"}
    import pyarrow
    import pyarrow.parquet

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = MAX_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(hard, MAX_MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        with pyarrow.parquet.ParquetFile(path, buffer_size=COLUMN_BUFFER_BYTES, pre_buffer=False) as file:
            groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
            if sum(group.total_byte_size for group in groups) > most_bytes:
                return _fail(f"it expands to more than {most_bytes} bytes, the limit for a file of its size")
            if any(_holds_dictionary(field.type, is_top=True) for field in file.schema_arrow):
                return _fail("it contains lists of categories; write them as plain text")
            schema = pyarrow.schema([(field.name, _plain_type(field.type)) for field in file.schema_arrow])
            total_bytes = 0
            with pyarrow.ipc.new_stream(sys.stdout.buffer, schema) as stream:
                for encoded in file.iter_batches(ROWS_AT_ONCE, use_threads=False):
                    # A text that stands in every row takes its room in every row from here on.
                    columns = [
                        column.dictionary_decode() if isinstance(column, pyarrow.DictionaryArray) else column
                        for column in encoded.columns
                    ]
                    batch = pyarrow.RecordBatch.from_arrays(columns, schema=schema)
                    total_bytes += batch.nbytes
                    if batch.nbytes > MAX_BATCH_BYTES:
                        return _fail(f"{ROWS_AT_ONCE} of its rows take more than {MAX_BATCH_BYTES >> 20} MiB")
                    if total_bytes > most_bytes:
                        return _fail(f"it expands to more than {most_bytes} bytes, the limit for a file of its size")
                    stream.write_batch(batch)
        sys.stdout.flush()
    except MemoryError:
        return _fail(f"it takes more than {MAX_MEMORY_BYTES >> 30} GiB of memory")
    except (pyarrow.ArrowException, OSError, ValueError, TypeError) as error:
        return _fail((str(error).splitlines() or [type(error).__name__])[0])
    return 0


def _holds_dictionary(kind: Any, *, is_top: bool = False) -> bool:
    import pyarrow

    if pyarrow.types.is_dictionary(kind):
        return not is_top
    return any(_holds_dictionary(kind.field(place).type) for place in range(kind.num_fields))


def _plain_type(kind: Any) -> Any:
    import pyarrow

    return kind.value_type if pyarrow.types.is_dictionary(kind) else kind


def _fail(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
