"""How Alembic reaches the shop's database: by the app that Flask-Migrate runs it in."""

from __future__ import annotations

from alembic import context

from quartish import current_app

migrate = current_app.extensions["migrate"]
metadata = migrate.db.metadata

if context.is_offline_mode():
    url = migrate.db.engine.url.render_as_string(hide_password=False)
    context.configure(url=url, target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with migrate.db.engine.connect() as connection:
        context.configure(connection, target_metadata=metadata, **migrate.configure_args)
        with context.begin_transaction():
            context.run_migrations()
