export const PAGE = { html: '<!doctype html><title>polyraft</title>', contentSecurityPolicy: "default-src 'none'" };
