"""Reading rows: JSON arrays and JSON lines whatever their name says, and tables of the library `datasets`."""

from __future__ import annotations

import codecs
import csv
import functools
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import ClvsError
from ..pictures import FORMATS
from ..text import is_text

HUB = "hub:"
_DIALECTS = {".tsv": "excel-tab", ".csv": "excel"}
SHEETS, EXCEL = tuple(_DIALECTS), (".xlsx", ".xls")
INSTALL = "Tables of the Hugging Face hub and parquet files need the library datasets; run: pip install datasets"
# One thing has a different name in every mirror. The first column that a row has is taken.
ALIASES: dict[str, tuple[str, ...]] = {
    "id": ("question_id", "id"),
    "text": ("text", "question", "query"),
    "label": ("label", "answer", "truth"),
    "kind": ("category", "type", "qtype"),
}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON array or of JSON lines, whatever the file is called, or the rows of a sheet (.tsv, .csv).

    Takes a byte order mark and CRLF. Raises ClvsError for a file that cannot be read or is neither.
    """
    if path.suffix.casefold() in (*SHEETS, *EXCEL):
        # its own names for what others call so; a picture in a cell is none
        return [
            {**row, "question_id": row.get("index"), "image": row.get("image_path", "")} for row in read_sheet(path)
        ]
    text = read_text(path)
    start = text.lstrip()[:1]
    if start == "[":
        rows = _parsed(text, path, 0)
    elif start == "{":
        rows = _lines(text, path)
    else:
        raise ClvsError(f"{path} is neither a JSON array nor JSON lines; use the official file.")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise ClvsError(f"Row {number} of {path} is not a JSON object; use the official file.")
    return rows


def _lines(text: str, path: Path) -> list[Any]:
    """What stands in the lines of a text, or the one object that it is, over however many lines."""
    # Not splitlines(): it also splits at characters that JSON strings may hold.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if lines[0][1].strip() == "{":
        return [_parsed(text, path, 0)]
    return [_parsed(line, path, number) for number, line in lines]


def read_sheet(path: Path) -> list[dict[str, Any]]:
    """The rows of a sheet of VLMEvalKit, by column; cells may hold line breaks and whole pictures."""
    if path.suffix.casefold() in EXCEL:
        raise excel_told(path)
    text = read_text(path)
    usual = csv.field_size_limit(max(len(text), 1 << 17))
    try:
        return list(csv.DictReader(io.StringIO(text, newline=""), dialect=_DIALECTS[path.suffix.casefold()]))
    except csv.Error as error:
        raise ClvsError(f"{path} is no sheet ({error}); save it again with tabs between its columns.") from error
    finally:
        csv.field_size_limit(usual)


def excel_told(path: Path) -> ClvsError:
    return ClvsError(f"{path} is a spreadsheet, as VLMEvalKit writes them; save it as .tsv (UTF-8) and give that.")


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark. Raises ClvsError if it cannot be read."""
    try:
        content = path.read_bytes()
        return content.decode("utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig")
    except OSError as error:
        raise ClvsError(f"{path} cannot be read ({error.strerror or error}); check the path.") from error
    except UnicodeDecodeError as error:
        raise ClvsError(f"{path} is not a UTF-8 text file; use the official file.") from error


def _parsed(text: str, path: Path, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        at = f"line {line}" if line else f"line {getattr(error, 'lineno', 1)}"
        raise ClvsError(f"{path} is not valid JSON at {at}; download or write it again.") from error


def need(row: Mapping[str, Any], column: str, where: str) -> Any:
    """row[column], or the column of an alias. Raises ClvsError if there is none."""
    for name in ALIASES.get(column, (column,)):
        if name in row and row[name] is not None:
            return row[name]
    names = " or ".join(repr(name) for name in ALIASES.get(column, (column,)))
    raise ClvsError(f"{where} has no {names}; use the official file or a known mirror of it.")


def text_of(row: Mapping[str, Any], column: str, where: str) -> str:
    """As need, but of text."""
    value = need(row, column, where)
    if not isinstance(value, str):
        raise ClvsError(f"{where} has something else than text as {column}: {value!r:.80}; use the official file.")
    if column == "text" and not is_text(value):
        raise ClvsError(f"{where} has half a character in {value!r:.80}; use the official file.")
    return value


# --- which files --------------------------------------------------------------------------------------


def existing(data: str | Path, do: str = "name the benchmark's folder, or hub:OWNER/NAME for one on the hub") -> Path:
    """The folder or file. Raises ClvsError, which says what to do, if there is none."""
    path = Path(data)
    if not os.path.exists(path):  # False, too, for what cannot be a path
        raise ClvsError(f"There is no {path!s:.200}; {do}.")
    if not (os.path.isfile(path) or os.path.isdir(path)):
        raise ClvsError(f"{path} is neither a file nor a folder; {do}.")  # reading a pipe may never end
    return path


def find_one(folder: Path, name: str) -> Path | None:
    """The only file of that name in or below the folder, None without one; raises ClvsError for several."""
    found = sorted(path for path in folder.rglob(name) if path.is_file())
    if len(found) > 1:
        raise ClvsError(f"{name} is there twice, {found[0]} and {found[1]}; name the folder of one of them.")
    return found[0] if found else None


# --- tables of `datasets` -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """Rows of a `datasets` table, or of a JSON file with its columns, without their pictures.

    name: for messages. rows: mappings; those of the hub have the split's name as "split". picture: row number -> what
    decodes its picture, None where the table holds none.
    """

    name: str
    rows: Sequence[Mapping[str, Any]]
    pictures: Sequence[Any] = ()

    def picture(self, number: int) -> Any:
        return self.pictures[number] if self.pictures else None

    def __iter__(self) -> Iterator[tuple[int, Mapping[str, Any], str]]:
        """(0-based row number, row, what to call it in messages)"""
        return ((n, row, f"Row {n + 1} of {self.name}") for n, row in enumerate(self.rows))


def table(data: str | Path, *, pictures: bool, config: Sequence[str] = ()) -> Table | None:
    """The table that `data` is: "hub:OWNER/NAME", a parquet file, a folder of them, or a JSON file; None otherwise.

    config: names of the configurations to prefer where a hub's dataset has several, the best first.
    """
    if str(data).startswith(HUB):
        return _hub(str(data).removeprefix(HUB), config, pictures=pictures)
    path = existing(data)
    if path.is_dir():
        parquet = sorted(path.rglob("*.parquet"))
        return _parquet(path, parquet, pictures=pictures) if parquet else None
    return _parquet(path, [path], pictures=pictures) if path.suffix == ".parquet" else Table(str(path), read_rows(path))


def _datasets() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise ClvsError(INSTALL) from error
    return datasets


def _hub(name: str, config: Sequence[str], *, pictures: bool) -> Table:
    datasets = _datasets()
    try:
        known = datasets.get_dataset_config_names(name)
        chosen = next((wanted for wanted in config if wanted in known), None)
        splits = datasets.load_dataset(name, chosen)
    except Exception as error:  # the hub's client raises errors of many libraries
        reason = str(error).strip().split("\n")[0]
        raise ClvsError(
            f"{name} cannot be had from the hub ({reason:.200}); check its name and the network."
        ) from error
    return _joined(f"hub:{name}", splits, pictures=pictures)


def _parquet(path: Path, files: Sequence[Path], *, pictures: bool) -> Table:
    datasets = _datasets()
    try:
        splits = datasets.load_dataset("parquet", data_files=[str(file) for file in files])
    except Exception as error:  # as above: pyarrow's own errors
        reason = str(error).strip().split("\n")[0]
        raise ClvsError(f"{path} cannot be read as parquet ({reason:.200}); download it again.") from error
    return _joined(str(path), splits, pictures=pictures)


def _joined(name: str, splits: Mapping[str, Any], *, pictures: bool) -> Table:
    rows: list[Mapping[str, Any]] = []
    decoders: list[Any] = []
    for split, dataset in splits.items():
        held = _picture_columns(dataset)
        rows += ({"split": split, **row} for row in _plain(dataset, held))
        if pictures and held:
            decoders += (functools.partial(_decoded, dataset, n, held[0]) for n in range(len(dataset)))
    return Table(name, rows, decoders)


def _picture_columns(dataset: Any) -> list[str]:
    """Columns of pixels: `datasets` images, or structs of bytes and path where the file does not say what they are."""
    held = []
    for name, feature in dataset.features.items():
        if type(feature).__name__ == "Image" or (isinstance(feature, dict) and set(feature) == {"bytes", "path"}):
            held.append(name)
    return held


def _plain(dataset: Any, held: Sequence[str]) -> Iterable[Mapping[str, Any]]:
    return dataset.remove_columns(held) if held else dataset


def _decoded(dataset: Any, number: int, column: str) -> Any:
    """A PIL image."""
    value = dataset[number][column]
    return Image.open(io.BytesIO(value["bytes"]), formats=FORMATS) if isinstance(value, dict) else value
