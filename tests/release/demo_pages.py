"""What the tests of the demo in a browser share: texts in many scripts, and a server for a folder."""

import functools
import http.server
import threading
from contextlib import contextmanager

CHINESE = [
    ("这部电影非常好看,演员的表演也很精彩。", "好评 👍"),
    ("服务态度很好,下次还会再来!", "好评 👍"),
    ("质量不错,价格也便宜,推荐购买。", "好评 👍"),
    ("故事感人,音乐动听,值得一看。", "好评 👍"),
    ("房间干净,早餐丰富,非常满意。", "好评 👍"),
    ("太棒了!我很喜欢 😀👍🏽", "好评 👍"),
    ("這家餐廳的菜很好吃,環境也舒服。", "好评 👍"),
    ("Great 太好了 ❤️🎉", "好评 👍"),
    ("这部电影很无聊,浪费时间。", "差评 👎"),
    ("服务太差了,再也不会来。", "差评 👎"),
    ("质量很糟糕,用了一天就坏了。", "差评 👎"),
    ("房间又脏又吵,非常失望。", "差评 👎"),
    ("价格太贵,味道也不好。", "差评 👎"),
    ("垃圾产品,不推荐 😡👎", "差评 👎"),
    ("這家餐廳的服務很慢,菜也不新鮮。", "差评 👎"),
    ("Terrible 太糟了 💔😭", "差评 👎"),
]
ODD = [
    "", "   ", "don't can't won't it's I'll we've", "<pad> <unk>", "ΑΣ ΟΔΟΣ İstanbul ẞ naïve café",
    "👨‍👩‍👧‍👦 🇩🇪🇫🇷 👍🏽 ❤️", "東京タワーは高い", "ภาษาไทยง่ายมาก", "한국어 문장입니다", "ﬁne ½ ① ２０２６",
    "!!!! ???... --- 12345678",
    "“quoted” ‘it’s’\nnext\tline", "Привет, мир!", "a\u200db\u200cc e\u0301", "word " * 400,
]  # fmt: skip


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def served(folder):
    """The address of a folder's page, while the block runs."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/index.html"
        finally:
            server.shutdown()
            thread.join()
