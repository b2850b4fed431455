"""What is known of container formats: which are opened, and whose headers are walked beside FFmpeg."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from par_model.video.containers import asf, avi, flv, matroska, mpegts, mxf, ogg
from par_model.video.containers.packet_starts import Bytes, LayoutCheck, OrderCheck, PacketStart

Walk = Callable[[Bytes, int], Iterator[PacketStart]]
Check = Callable[[Iterator[PacketStart]], LayoutCheck | OrderCheck]

# Formats that hold their own streams. Playlists, concat scripts, DASH, SDP and numbered images name other files or
# addresses, which a stranger's "video" must not make us open; FFmpeg checks this list before it reads a header.
FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,f4v,kux,asf,asf_o,mxf,mxf_opatom,ogg,nut,ivf,obu,av1,"
    "h261,h263,h264,hevc,vvc,evc,m4v,vc1,cavsvideo,avs2,avs3,dirac,mjpeg,dv,gxf,wtv,rm,nuv,pva,dhav,lmlm4,gif,apng,"
    "hxvs,luodat,mpjpeg,nc,iv8,ingenient,"
    "yuv4mpegpipe,nsv,ty,ifv,lxf,mtv,thp,smk,bink,film_cpk,roq,amv"
)

# Containers whose demuxers pass over damage in silence, by FFmpeg's names: what walks their headers, given the file and
# its own number of the stream, and what compares that with the packets.
_WALKERS: dict[str, tuple[Walk, Check]] = {
    "matroska": (matroska.walk, LayoutCheck),
    "avi": (avi.walk, LayoutCheck),
    "flv": (flv.walk, LayoutCheck),
    "mpegts": (mpegts.walk, partial(OrderCheck, one_each=True)),
    "asf": (asf.walk, OrderCheck),
    "mxf": (mxf.walk, OrderCheck),
    "mxf_opatom": (mxf.walk, OrderCheck),
    "ogg": (ogg.walk, OrderCheck),
}

# Formats whose end FFmpeg's demuxers report as an error.
END_IN_ERROR = frozenset({"nc", "iv8", "ingenient", "mpjpeg", "pva"})

# Formats whose index is FFmpeg's list of the packets that it met, each called a key frame.
INDEX_OF_PLACES = frozenset({"pva", "rm"})


def check_of(name: str, stream: int, data: Bytes) -> LayoutCheck | OrderCheck | None:
    """What compares a file's structure with the packets of one stream, None if its format has no need of that.

    name: FFmpeg's name of the format. stream: the number that the file has for it.
    """
    for known in name.split(","):
        if known in _WALKERS:
            walk, check = _WALKERS[known]
            return check(walk(data, stream))
    return None
