import { t } from "/page/language.js"; t("back");
