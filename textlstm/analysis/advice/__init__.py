"""`textlstm advise`: how many layers for these texts, by planned looks at few seeds instead of a full grid."""
