"""Static files as WhiteNoise serves them, without source maps: they show sources, and nobody's browser needs them."""

from __future__ import annotations

from typing import Any

from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):
    """Serves each static file but source maps."""

    def add_file_to_dictionary(self, url: str, path: str, stat_cache: Any = None) -> None:
        if not is_source_map(url):
            super().add_file_to_dictionary(url, path, stat_cache=stat_cache)

    def find_file(self, url: str) -> Any:
        return None if is_source_map(url) else super().find_file(url)


def is_source_map(url: str) -> bool:
    return url.removesuffix(".gz").removesuffix(".br").lower().endswith(".map")
