"""Tables of boxes are read by the columns that are named, and by nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from par_model.errors import ManifestError, UsageError
from par_model.manifest.importers.columns import Columns, SheetTracks, read_sheet, sheet_tracks
from par_model.manifest.importers.gather import gather
from par_model.manifest.importers.tracks import TrackBox

CORNERS = "frame=frame_number,id=tracker_id,x1=x_min,y1=y_min,x2=x_max,y2=y_max"
# As supervision 0.31.2's CSVSink wrote it, with custom_data={"frame_number": ...}.
SUPERVISION = """\
x_min,y_min,x_max,y_max,class_id,confidence,tracker_id,class_name,frame_number
10.5,20.0,60.25,140.0,0,0.9,1,person,0
100.0,30.0,150.0,160.0,2,0.8,7,car,0
10.5,20.0,60.25,140.0,0,0.9,1,person,1
100.0,30.0,150.0,160.0,2,0.8,-1,car,1
12.5,20.0,60.25,140.0,0,0.9,,person,2
"""


def read(tmp_path: Path, text: str, columns: str, people: tuple[str, ...] = (), labelled: bool = False) -> SheetTracks:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    return sheet_tracks(read_sheet(str(path)), Columns.parse(columns), people=people, labelled=labelled)


def boxes(found: SheetTracks) -> dict[str, list[TrackBox]]:
    return {name: list(of) for name, of in gather(found.listed).by_id.items()}


def test_named_columns_give_boxes_in_any_order(tmp_path: Path) -> None:
    found = read(tmp_path, SUPERVISION, f"{CORNERS},class=class_name")
    assert boxes(found) == {"1": [TrackBox(0, 10.5, 20, 49.75, 120), TrackBox(1, 10.5, 20, 49.75, 120)]}
    assert [str(part) for part in found.listed.left_out] == [
        "2 boxes of classes that are not people ('car' 2)",
        "1 box of no track (no track id)",
    ]
    by_number = read(tmp_path, SUPERVISION, f"{CORNERS},class=class_id", people=("2",))
    assert boxes(by_number) == {"7": [TrackBox(0, 100, 30, 50, 130)]}
    assert gather(by_number.listed).left_out[-1].why == "of no track (negative track id)"


@pytest.mark.parametrize(
    ("sides", "columns"),
    [("1,2,30,40", "x=a,y=b,w=c,h=d"), ("1,2,31,42", "x1=a,y1=b,x2=c,y2=d"), ("16,22,30,40", "xc=a,yc=b,w=c,h=d")],
)
def test_a_box_may_be_given_in_three_ways(sides: str, columns: str, tmp_path: Path) -> None:
    found = read(tmp_path, f"f,i,a,b,c,d\n5,x-9,{sides}\n", f"frame=f,id=i,{columns}")
    assert boxes(found) == {"x-9": [TrackBox(5, 1, 2, 30, 40)]}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_ids_that_a_data_frame_made_fractions_are_whole_again(separator: str, tmp_path: Path) -> None:
    """pandas turns a column of whole numbers with a gap into one of fractions."""
    text = "frame,id,x,y,w,h\n0.0,3.0,1,2,3,4\n1.0,,1,2,3,4\n2.0,nan,1,2,3,4\n".replace(",", separator)
    found = read(tmp_path, text, "frame=frame,id=id,x=x,y=y,w=w,h=h")
    assert boxes(found) == {"3": [TrackBox(0, 1, 2, 3, 4)]}
    assert [str(part) for part in found.listed.left_out] == ["2 boxes of no track (no track id)"]


def test_ids_are_spelt_in_one_way_and_the_mark_that_is_there_most_often_divides(tmp_path: Path) -> None:
    text = "frame;id;x;y;w;h;said, by\n0;1.0;1;2;3;4;a\n1;01;1;2;3;4;b, c\n2;1e+00;1;2;3;4;d\n3;b-1.5;1;2;3;4;e\n"
    found = read(tmp_path, text, "frame=frame,id=id,x=x,y=y,w=w,h=h")
    assert {name: [of.frame for of in track] for name, track in boxes(found).items()} == {"1": [0, 1, 2], "b-1.5": [3]}


def test_short_hexadecimal_ids_are_no_numbers_with_an_exponent(tmp_path: Path) -> None:
    found = read(tmp_path, "f,i,x,y,w,h\n0,12e4,1,2,3,4\n0,120000,5,2,3,4\n", "frame=f,id=i,x=x,y=y,w=w,h=h")
    assert boxes(found) == {"120000": [TrackBox(0, 5, 2, 3, 4)], "12e4": [TrackBox(0, 1, 2, 3, 4)]}


@pytest.mark.parametrize("word", ["-", "?", "\\N", "#N/A", "None", "<NA>", "", "NaN", str(2**64 - 1)])
def test_what_tools_write_for_no_id_is_no_person(word: str, tmp_path: Path) -> None:
    found = read(tmp_path, f"f,i,x,y,w,h\n0,{word},1,2,3,4\n1,7,1,2,3,4\n", "frame=f,id=i,x=x,y=y,w=w,h=h")
    assert list(boxes(found)) == ["7"]
    assert [str(part) for part in found.listed.left_out] == ["1 box of no track (no track id)"]


def test_further_columns_are_what_rows_say_of_their_track(tmp_path: Path) -> None:
    text = "frame,id,x,y,w,h,hat,top color,class\n0,3,1,2,3,4,1,red,p\n1,3,1,2,3,4,0,red,p\n0,4,1,2,3,4,,blue,q\n"
    columns = "frame=frame,id=id,x=x,y=y,w=w,h=h,class=class"
    found = read(tmp_path, text, columns, people=("p",), labelled=True)
    assert found.votes == {"3": {"hat": Counter({"1": 1, "0": 1}), "top color": Counter(red=2)}}
    assert read(tmp_path, text, columns, people=("p",)).votes == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty, a header with the names of the columns is expected"),
        ('[\n  {"x_min": 1}\n]\n', "is JSON; a CSV file with the names of its columns in the first line is expected"),
        ("f,i,x,y,w\n", "has no column 'h'; it has f, i, x, y, w"),
        ("f,i,x,y,w,h,h\n", "column 'h' is there twice; rename one"),
        ("f,i,x,y,w,h\n\n1,2,3,4,5\n", "line 3: 5 columns, but the header has 6: f, i, x, y, w, h"),
        ("sep=;\nf;i;x;y;w;h\n1;2;3;4;5;6\n", "line 2: 6 columns, but the header has 2: sep=,"),
        ("f,i,x,y,w,h\n1,2,3,4,5,6\n1.5,2,3,4,5,6\n", "line 3, column 'f': '1.5' is not a whole number"),
        ("f,i,x,y,w,h\n1,2,3,four,5,6\n", "line 2, column 'y': 'four' is not a number"),
        ("f,i,x,y,w,h\n1_0,2,3,4,5,6\n", "line 2, column 'f': '1_0' is not a number"),
        ("f,i,x,y,w,h\n1,2,\u0663,4,5,6\n", "line 2, column 'x': '\u0663' is not a number"),
        ("f,i,x,y,w,h\n1\n", "line 2: 1 column, but the header has 6"),
        ("f,i,x,y,w,h\ninf,2,3,4,5,6\n", "line 2, column 'f': 'inf' is not a whole number"),
        ('f,i,x,y,w,h\n1,"2\n3",3,4,5,six\n', "line 3, column 'h': 'six' is not a number"),
        ("f,i,x,y,w,h\n1,1.5,3,4,5,6\n", "line 2: track id 1.5 is not a whole number"),
        ("f,i,x,y,w,h\n1,inf,3,4,5,6\n", "line 2: track id 'inf' is not finite"),
        ("f;i;x;y;w;h\n1;2;3,5;4;5;6\n", "line 2, column 'x': '3,5' is not a number; write it with a point"),
        ("f i x y w h\n1 2 3 4 5 6\n", "f i x y w h, a single one: columns lie between commas, semicolons, tabs or |"),
    ],
)
def test_what_is_no_table_of_boxes_is_refused_with_its_line(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, text, "frame=f,id=i,x=x,y=y,w=w,h=h")
    assert str(caught.value).startswith(f"{tmp_path}/t.csv")
    assert problem in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"f,i\n\xff")
    with pytest.raises(ManifestError, match=r"t\.csv: is not UTF-8 text: invalid start byte at byte 4"):
        read_sheet(str(tmp_path / "t.csv"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("frame=f,id=i", "needs frame, id and x,y,w,h or x1,y1,x2,y2 or xc,yc,w,h"),
        ("frame=f,x=a,y=b,w=c,h=d", "needs frame, id"),
        ("frame=f,id=i,x1=a,y1=b,w=c,h=d", "needs frame, id and"),
        ("frame=f,id=i,x=a,y=b,w=c,h=d,left=e", "'left' is not KEY=COLUMN"),
        ("frame=f,id=i,x=a,y=b,w=c,h", "'h' is not KEY=COLUMN"),
        ("frame=f,id=f,x=a,y=b,w=c,h=d", "column 'f' is there twice"),
        ("frame=f,frame=g,id=i,x=a,y=b,w=c,h=d", "a key is there twice"),
    ],
)
def test_columns_that_give_no_box_are_wrong_usage(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        Columns.parse(text)
    assert problem in str(caught.value)


def test_people_without_a_column_of_classes_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--people needs a column"):
        read(tmp_path, "f,i,x,y,w,h\n", "frame=f,id=i,x=x,y=y,w=w,h=h", people=("1",))
