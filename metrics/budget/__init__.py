"""The budget as cards on a kanban board: policy, guards, pacing, reallocation. Pure; knows no topic and no clock."""
