"""What the distributions carry; everything else stands in pyproject.toml.

`templates/`, `static/` and `samples/` stay at the top of the repository. In a wheel each lies in the package of the app
that needs it, where Django looks for it; the theme that replaces the admin's own, `admin/base_site.html`, lies in the
package of the portal, so that it does not touch the admin of a project that installs the apps alone.
"""

from setuptools import find_packages, setup

FOLDERS = {  # package in the wheel: folder here, and what of it
    "batches.templates": ("templates", ["admin/batches/**/*.html", "batches/**/*.html"]),
    "errors.templates": ("templates", ["admin/errors/**/*.html"]),
    "batchportal.templates": ("templates", ["admin/base_site.html", "403.html", "404.html"]),
    "batches.static": ("static", ["**/*"]),
    "batchportal.samples": ("samples", ["*"]),
}
CODE = find_packages(include=["batchportal*", "batches*", "errors*"])

setup(
    packages=[*CODE, *FOLDERS],
    package_dir={package: folder for package, (folder, _) in FOLDERS.items()},
    package_data={package: patterns for package, (_, patterns) in FOLDERS.items()} | {"": ["py.typed"]},
)
