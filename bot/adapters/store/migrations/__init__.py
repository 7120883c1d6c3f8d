"""One script a schema, run by `bot.adapters.store.upgrade`; never edited once it was released."""
