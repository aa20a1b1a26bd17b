// Words of the controller that stand for something on the board, as people read them. Knows no element.

import { t } from "./i18n.js";

export const COLUMN_NAMES = {
  backlog: t("backlog"), test: t("test"), scale: t("scale"), hold: t("hold"), stopped: t("stopped"), archived: t("archived"),
};
export const columnName = (name) => COLUMN_NAMES[name] ?? name;

const OWNERS = {
  evidence: t("the evidence"), budget: t("its budget"), pace: t("its pace"), wip: t("the limit of its column"), registration: t("its registration"),
};
const ALERT = "alert:";

/** Who holds a campaign; a person's name as it is. */
export const ownerName = (owner) => owner.startsWith(ALERT) ? t("the alert {rule}", { rule: owner.slice(ALERT.length) }) : OWNERS[owner] ?? owner;
