"""How much a source may ask of the pod. Beyond a limit comes an error that names it, never a crash."""

MAX_SOURCE_BYTES = 64 * 2**30
"""Of all files together, as they lie in the source, and of a text file after decompression."""
MAX_FILES = 1_000_000
MAX_DIRECTORY_BYTES = 32 * 2**20
"""Of the list of entries of an archive, which is kept in memory: some 300,000 of them."""
MAX_COLUMNS = 5_000
MAX_ROW_BYTES = 16 * 2**20
"""Of one row of text."""
MAX_EXPANSION = 100
"""A compressed file may become so many times as large ..."""
EXPANSION_FREE_BYTES = 64 * 2**20
"""... after the first bytes, for small files of zeros are honest."""
MAX_GROUP_BYTES = 512 * 2**20
"""Of one row group of Parquet, decompressed: the smallest piece that can be read."""
BATCH_ROWS = 8_192


def size(count: float) -> str:
    """Bytes as people say them: `512 B`, `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
