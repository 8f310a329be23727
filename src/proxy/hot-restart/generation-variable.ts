/** Environment variable in which the supervisor tells a generation its epoch. */
export const GENERATION_VARIABLE = "WEFT_RESTART_EPOCH";
