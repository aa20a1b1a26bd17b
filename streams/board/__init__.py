"""The board: budget as cards on a kanban board, its HTTP API, and the webhook of Alertmanager.

It shows what the budget controller says and passes on what operators and alerts say. It decides nothing:
every guard is in the controller, so that a board which is wrong or gone can spend no money.
"""
