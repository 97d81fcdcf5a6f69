"""Flask's `sansio` modules: second homes of names, for code that imports them from here."""
