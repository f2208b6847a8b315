"""An app of one's own beside the portal: the shop that the documentation tells of."""
