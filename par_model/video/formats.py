"""What is known of container formats: which are opened, and whose headers are walked beside FFmpeg."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from par_model.video import asf, mpegts, mxf, ogg
from par_model.video.avi import chunks
from par_model.video.flv import tags
from par_model.video.layout import Bytes, LayoutCheck, OrderCheck, Place
from par_model.video.matroska import blocks

# Formats that hold their own streams. Playlists, concat scripts, DASH, SDP and numbered images name other files or
# addresses, which a stranger's "video" must not make us open; FFmpeg checks this list before it reads a header.
FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,f4v,kux,asf,asf_o,mxf,mxf_opatom,ogg,nut,ivf,obu,av1,"
    "h261,h263,h264,hevc,vvc,evc,m4v,vc1,cavsvideo,avs2,avs3,dirac,mjpeg,dv,gxf,wtv,rm,nuv,pva,dhav,lmlm4,gif,apng,"
    "hxvs,luodat,mpjpeg,nc,iv8,ingenient,"
    "yuv4mpegpipe,nsv,ty,ifv,lxf,mtv,thp,smk,bink,film_cpk,roq,amv"
)

# Containers whose demuxers pass over damage in silence.
_WALKS: dict[str, Callable[[Bytes], Iterator[Place]]] = {"matroska": blocks, "avi": chunks, "flv": tags}

# Formats whose end FFmpeg's demuxers report as an error.
END_IN_ERROR = frozenset({"nc", "iv8", "ingenient", "mpjpeg", "pva"})

# Formats whose index is FFmpeg's list of the packets that it met, each called a key frame.
INDEX_OF_PLACES = frozenset({"pva", "rm"})


def check_of(name: str, stream: int, data: Bytes) -> LayoutCheck | OrderCheck | None:
    """What compares a file's structure with the packets of one stream, None if its format has no need of that.

    name: FFmpeg's name of the format. stream: the number that the file has for it.
    """
    if name == "mpegts":
        return OrderCheck(mpegts.starts(data, stream), one_each=True)
    if name == "asf":
        return OrderCheck(asf.data_packets(data, stream))
    if name.startswith("mxf"):
        return OrderCheck(mxf.elements(data))
    if name == "ogg":
        return OrderCheck(ogg.pages(data))
    walk = next((walk for known, walk in _WALKS.items() if known in name.split(",")), None)
    return LayoutCheck(walk(data)) if walk is not None else None
