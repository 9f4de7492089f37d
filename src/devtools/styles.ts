/**
 * One style element inside the panel, so that it comes along into windows of its own. Every rule begins with `.rqbd`,
 * and what it contains begins from the browser's own look, not from the app's.
 */
export const CSS = `
.rqbd{--bg:#fff;--raised:#f4f5f7;--line:#d8dce2;--text:#1c2430;--quiet:#566070;--accent:#1d5fd1;--good:#116b35;--warn:#8a5200;--bad:#b3261e;color-scheme:light;container:rqbd/inline-size;all:revert;box-sizing:border-box;display:flex;flex-direction:column;height:100%;min-height:0;overflow:hidden;background:var(--bg);color:var(--text);font:12px/1.5 system-ui,sans-serif;text-align:left;letter-spacing:normal}
.rqbd[data-theme=dark]{--bg:#14181f;--raised:#1d232c;--line:#343c48;--text:#e6eaf0;--quiet:#a2adbb;--accent:#7fb2ff;--good:#62d28b;--warn:#f0b455;--bad:#ff8f86;color-scheme:dark}
@media (prefers-color-scheme:dark){.rqbd[data-theme=system]{--bg:#14181f;--raised:#1d232c;--line:#343c48;--text:#e6eaf0;--quiet:#a2adbb;--accent:#7fb2ff;--good:#62d28b;--warn:#f0b455;--bad:#ff8f86;color-scheme:dark}}
.rqbd{container:rqbd/inline-size}
.rqbd :where(*,::before,::after){box-sizing:border-box}
.rqbd :where(button,input,select){all:revert;box-sizing:border-box;margin:0;font:inherit;color:inherit;background:var(--raised);border:1px solid var(--line);border-radius:5px;padding:2px 8px;min-height:26px}
.rqbd :where(button){cursor:pointer}
.rqbd :where(button:hover){border-color:var(--quiet)}
.rqbd :where(button,input,select,pre,summary,.rqbd-detail,.rqbd-scroll):focus-visible{outline:2px solid var(--accent);outline-offset:-1px}
.rqbd button[aria-pressed=true]{background:var(--accent);border-color:var(--accent);color:var(--bg)}
.rqbd :where(h3,h4,p,ul,ol,dl,dd,dt,pre){margin:0;padding:0;font:inherit;color:inherit}
.rqbd :where(ul,ol){list-style:none}
.rqbd :where(h3){font-weight:600;font-size:13px;overflow-wrap:anywhere;padding-right:32px}
.rqbd :where(h4){font-weight:600;margin:10px 0 3px}
.rqbd :where(code,pre,time){font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:11.5px;background:none;color:inherit;padding:0}
.rqbd :where(code){overflow-wrap:anywhere}
.rqbd :where(pre){white-space:pre-wrap;overflow-wrap:anywhere;background:var(--raised);border:1px solid var(--line);border-radius:5px;padding:6px 8px;max-height:320px;overflow:auto}
.rqbd :where(summary){cursor:pointer;margin-top:8px;color:var(--accent)}
.rqbd [data-tone=good]{--tone:var(--good);color:var(--good)}
.rqbd [data-tone=warn]{--tone:var(--warn);color:var(--warn)}
.rqbd [data-tone=bad],.rqbd-bad{--tone:var(--bad);color:var(--bad)}
.rqbd-quiet{color:var(--quiet)}
.rqbd-spacer{flex:1}
.rqbd-badge{display:inline-block;flex:none;border:1px solid var(--tone,var(--line));border-radius:4px;padding:0 5px;font-size:11px;line-height:16px;white-space:nowrap;color:var(--tone,var(--quiet))}
.rqbd-status,.rqbd-tools,.rqbd-tabs{display:flex;flex:none;flex-wrap:wrap;align-items:center;gap:4px 10px;padding:6px 10px;border-bottom:1px solid var(--line)}
.rqbd-tools{gap:6px}
.rqbd-tools input{flex:1 1 140px;min-width:0;max-width:360px}
.rqbd-tabs{gap:2px;padding:0 6px;flex-wrap:nowrap;overflow-x:auto;background:var(--raised)}
.rqbd-tabs button{flex:none;border:0;border-bottom:2px solid transparent;border-radius:0;background:none;padding:5px 8px;color:var(--quiet)}
.rqbd-tabs button[aria-selected=true]{border-color:var(--accent);color:var(--text);font-weight:600}
.rqbd-count{margin-left:5px;font-weight:400;color:var(--tone,var(--quiet))}
.rqbd-body{display:flex;flex:1;flex-direction:column;min-height:0}
.rqbd-split{display:flex;flex:1;flex-direction:column;min-height:0}
.rqbd-list,.rqbd-detail,.rqbd-scroll{flex:1 1 0;min-width:0;min-height:0;overflow:auto}
.rqbd-detail{position:relative;flex:1.4 1 0;border-top:1px solid var(--line);padding:8px 10px}
.rqbd-scroll{padding:8px 10px}
.rqbd-row{display:flex;width:100%;align-items:baseline;gap:8px;border:0;border-bottom:1px solid var(--line);border-radius:0;background:none;padding:3px 10px;text-align:left}
.rqbd-row time{flex:none;color:var(--quiet)}
.rqbd button.rqbd-row:hover{background:var(--raised)}
.rqbd button.rqbd-row[aria-pressed=true]{background:var(--raised);color:inherit;box-shadow:inset 3px 0 var(--accent)}
.rqbd-title{flex:1 1 auto;min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.rqbd-end{flex:0 1 auto;min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;color:var(--quiet)}
.rqbd-more{display:block;margin:8px auto}
.rqbd-close{position:absolute;top:6px;right:8px}
.rqbd-empty{padding:16px 12px;color:var(--quiet)}
.rqbd-facts div{display:flex;gap:8px;padding-top:2px}
.rqbd-facts dt{flex:0 0 76px;color:var(--quiet)}
.rqbd-facts dd{min-width:0;overflow-wrap:anywhere}
.rqbd-effect{border-left:2px solid var(--line);padding-left:8px;margin-bottom:6px}
.rqbd-effect li{margin-top:2px}
.rqbd-others li{padding:3px 0;border-bottom:1px solid var(--line)}
.rqbd-cards{display:grid;gap:8px;grid-template-columns:repeat(auto-fill,minmax(min(320px,100%),1fr))}
.rqbd-cards li{border:1px solid var(--line);border-radius:6px;padding:8px;min-width:0}
.rqbd-cards header{display:flex;flex-wrap:wrap;align-items:center;gap:6px}
.rqbd table{all:revert;border-collapse:collapse;font:inherit;color:inherit;white-space:nowrap}
.rqbd :where(th,td){border-bottom:1px solid var(--line);padding:3px 14px 3px 0;text-align:left;font-weight:400}
.rqbd thead th{color:var(--quiet)}
@container rqbd (min-width:720px){.rqbd-split{flex-direction:row}.rqbd-detail{flex:1 1 0;border-top:0;border-left:1px solid var(--line)}}
@container rqbd (max-width:480px){.rqbd-list .rqbd-row{flex-wrap:wrap;row-gap:0}.rqbd-list .rqbd-title{flex:1 1 60%}.rqbd-list .rqbd-end{flex:1 1 100%}}
.rqbd-float{all:revert;position:fixed;z-index:99998;left:0;right:0;bottom:0;height:min(50vh,560px);border-top:1px solid #8a94a3;box-shadow:0 -4px 18px #0003}
.rqbd-toggle{all:revert;box-sizing:border-box;position:fixed;z-index:99999;bottom:12px;left:12px;min-height:32px;border:1px solid #566070;border-radius:16px;padding:4px 12px;background:#1d232c;color:#e6eaf0;font:600 12px/1.4 system-ui,sans-serif;cursor:pointer}
.rqbd-toggle[data-side=right]{left:auto;right:12px}
.rqbd-toggle:focus-visible{outline:2px solid #7fb2ff;outline-offset:2px}
.rqbd-float ~ .rqbd-toggle,.rqbd-toggle[aria-expanded=true]{bottom:calc(min(50vh,560px) + 8px)}
`
