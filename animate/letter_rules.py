"""Letter-to-sound rules for English: `letters ; left ; right ; phones`, tried in order at each letter.

Left and right are regular expressions on what stands before and after; V is a vowel letter, C a consonant letter,
^ and $ the word's ends. No phones means that the letters are silent. The form is Elovitz et al. 1976; the table is
our own. Lips are served first: a rule may confuse AH with IH but shall not lose a P, B, M, F or V.
"""

RULES = """
augh  ;           ; t                       ; AO
augh  ;           ;                         ; AE F
ayor  ;           ;                         ; EY ER
ai    ;           ; r                       ; EH
air   ;           ;                         ; EH R
ai    ;           ;                         ; EY
au    ;           ;                         ; AO
aw    ;           ; V                       ; AH W
aw    ;           ;                         ; AO
ay    ;           ;                         ; EY
ae    ;           ;                         ; IY
are   ; C         ; $                       ; EH R
ar    ; w         ; C                       ; AO R
arr   ;           ;                         ; EH R
ar    ;           ; V                       ; EH R
ar    ; [^^]VC+   ; $                       ; ER
ar    ; [^^]VC+   ; d                       ; ER
ar    ;           ;                         ; AA R
able  ; C         ; s?$                     ; AH B AH L
ally  ; C         ; $                       ; AH L IY
al    ; VC+       ; $                       ; AH L
al    ;           ; [kd]                    ; AO L
all   ;           ; $                       ; AO L
alm   ;           ;                         ; AA M
age   ; VC+       ; s?$                     ; IH JH
ace   ; VC+       ; $                       ; AH S
ate   ; VC+       ; [sd]?$                  ; EY T
a     ; w         ; [^aeioucgkx]            ; AA
a     ; qu        ;                         ; AA
a     ;           ; tion                    ; EY
a     ;           ; (ng|nk)                 ; AE
a     ;           ; ste$                    ; EY
a     ;           ; ble                     ; EY
a     ;           ; C[eiy]$                 ; EY
a     ;           ; C(es|ed|ing|er|ers|y)$  ; EY
a     ;           ; ge                      ; EY
a     ;           ; $                       ; AH
a     ; ^         ; CV                      ; AH
a     ; VC        ; CV                      ; AH
a     ; VC+       ; (n|nt|nce|st|nd)s?$     ; AH
a     ;           ;                         ; AE
bb    ;           ;                         ; B
b     ; m         ; (s|ed|ing|er)?$         ;
b     ;           ; t$                      ;
b     ;           ;                         ; B
cch   ;           ;                         ; K
cc    ;           ; [eiy]                   ; K S
cc    ;           ;                         ; K
chr   ;           ;                         ; K R
ch    ; s         ; [^e]                    ; K
ch    ;           ; n                       ; K
ch    ;           ;                         ; CH
ck    ;           ;                         ; K
cial  ;           ;                         ; SH AH L
cian  ;           ;                         ; SH AH N
cious ;           ;                         ; SH AH S
cient ;           ;                         ; SH AH N T
cz    ; ^         ;                         ; CH
c     ; s         ; [eiy]                   ;
c     ;           ; [eiy]                   ; S
c     ;           ;                         ; K
ddl   ;           ;                         ; D AH L
dd    ;           ;                         ; D
dge   ;           ;                         ; JH
dg    ;           ;                         ; JH
du    ; V         ; (al|ate)                ; JH UW
d     ;           ;                         ; D
eau   ;           ;                         ; OW
eigh  ;           ;                         ; EY
ear   ;           ; C                       ; ER
ear   ;           ;                         ; IH R
ead   ;           ; $                       ; EH D
ea    ;           ; (sure|lth|nt$|ther|vy|ven); EH
ea    ;           ;                         ; IY
eer   ;           ;                         ; IH R
ee    ;           ;                         ; IY
ei    ; c         ;                         ; IY
ein   ;           ; $                       ; AY N
ei    ;           ;                         ; EY
eo    ; p         ;                         ; IY
eu    ;           ;                         ; UW
ew    ; [fmnphbv] ;                         ; Y UW
ew    ;           ;                         ; UW
ey    ; VC+       ; s?$                     ; IY
ey    ;           ; $                       ; IY
ey    ;           ;                         ; EY
err   ;           ;                         ; EH R
ere   ; C         ; $                       ; IH R
er    ;           ; V                       ; EH R
er    ;           ;                         ; ER
ely   ; C         ; $                       ; L IY
ement ; C         ;                         ; M AH N T
eness ; C         ;                         ; N AH S
eful  ; C         ;                         ; F AH L
eless ; C         ;                         ; L AH S
es    ; (s|z|x|ch|sh|c|g); $                       ; IH Z
es    ; C         ; $                       ; Z
ed    ; [td]      ; $                       ; IH D
ed    ; [pkfcsx]  ; $                       ; T
ed    ; [sc]h     ; $                       ; T
ed    ; (V[^aeiouy']+|V); $                       ; D
e     ; VC+       ; $                       ;
e     ; V         ; $                       ;
e     ; ^C+       ; $                       ; IY
e     ; VC+e?     ; d?s$                    ;
el    ; VC+       ; s?$                     ; AH L
e     ; VC+       ; (n|nt|nce|ns|nts|st|t)s?$; AH
ess   ;           ; $                       ; AH S
en    ; VC+       ; (ed|ing|er)?$           ; AH N
e     ; ^r        ; CV                      ; IY
e     ; ^[bdp]    ; CV                      ; IH
e     ; ^         ; [xn]                    ; IH
e     ;           ; ous$                    ; IY
e     ; VC+       ; CVC                     ; AH
e     ;           ;                         ; EH
ff    ;           ;                         ; F
f     ;           ;                         ; F
ggl   ;           ;                         ; G AH L
gg    ;           ;                         ; G
ght   ;           ;                         ; T
gh    ; ^         ;                         ; G
gh    ; [ou]u     ;                         ; F
gh    ; V         ;                         ;
gh    ;           ;                         ; G
gn    ; ^         ;                         ; N
gn    ;           ; (s|ed|ing)?$            ; N
geo   ;           ; n                       ; JH AH
gi    ;           ; on                      ; JH
gue   ;           ; s?$                     ; G
gu    ;           ; [ei]                    ; G
g     ;           ; [ei]$                   ; JH
g     ; ^         ; (et|iv|ir|il|ift)       ; G
g     ; n         ; er$                     ; G
g     ;           ; [eiy]                   ; JH
g     ; n         ; $                       ;
g     ; n         ; s$                      ;
g     ;           ;                         ; G
hau   ; ^         ;                         ; HH AO
h     ; ^         ; (our|onest|onor|eir)    ;
h     ;           ; V                       ; HH
h     ;           ;                         ;
igh   ;           ;                         ; AY
ign   ;           ; (s|ed|ing)?$            ; AY N
ier   ;           ; $                       ; IY ER
ies   ;           ; $                       ; IY Z
ied   ;           ; $                       ; IY D
ie    ; ^C+       ; $                       ; AY
ie    ;           ; $                       ; IY
ie    ;           ; (nt|nc)                 ; IY AH
ie    ;           ;                         ; IY
ield  ;           ;                         ; IY L D
ique  ;           ;                         ; IY K
ir    ;           ; V                       ; AY R
ir    ;           ;                         ; ER
ia    ; [^aeiou]  ; (n|l|t|$)               ; IY AH
io    ;           ;                         ; IY OW
ious  ;           ; $                       ; IY AH S
ine   ; VC+       ; s?$                     ; IY N
ind   ; ^C+       ; s?$                     ; AY N D
ild   ; ^C+       ; $                       ; AY L D
ise   ; VC+       ; [sd]?$                  ; AY Z
ize   ;           ; [sd]?$                  ; AY Z
i     ; VC+       ; Ce$                     ; IH
i     ;           ; C(e|es|ed|ing|er|ers)$  ; AY
i     ; VC+       ; [aou]                   ; IY
i     ;           ; [aou]                   ; AY
i     ;           ; $                       ; IY
i     ;           ;                         ; IH
j     ;           ;                         ; JH
kn    ; ^         ;                         ; N
k     ;           ;                         ; K
ll    ;           ;                         ; L
le    ; C         ; [sd]?$                  ; AH L
l     ; a         ; (f|ve|m)                ;
lk    ; [ao]      ;                         ; K
l     ; ou        ; d                       ;
l     ;           ;                         ; L
mm    ;           ;                         ; M
mn    ;           ; $                       ; M
mb    ;           ; (s|ed|ing|er)?$         ; M
mcc   ; ^         ;                         ; M AH K
mc    ; ^         ; [ck]                    ; M AH
mc    ; ^         ; C                       ; M AH K
mc    ; ^         ; V                       ; M AH K
mac   ; ^         ; [^aeiouyhk]             ; M AH K
m     ;           ;                         ; M
ng    ;           ; (s|ed|ing|er)?$         ; NG
nge   ;           ;                         ; N JH
ngl   ;           ;                         ; NG G AH L
ng    ;           ; [eiy]                   ; N JH
ng    ;           ;                         ; NG G
nk    ;           ;                         ; NG K
nn    ;           ;                         ; N
n     ;           ; [cqx][^eiyh]            ; NG
n     ;           ;                         ; N
ough  ; C         ; t                       ; AO
ough  ; thr       ;                         ; UW
ough  ; (^r|^t|en);                         ; AH F
ough  ;           ;                         ; OW
ould  ;           ;                         ; UH D
ound  ;           ;                         ; AW N D
ous   ; VC+       ; (ly|ness)?$             ; AH S
our   ; VC+       ; $                       ; ER
our   ;           ;                         ; AO R
oul   ;           ;                         ; OW L
ou    ;           ;                         ; AW
ow    ;           ; (n|l|d|er|el)           ; AW
ow    ;           ; $                       ; OW
ow    ;           ;                         ; AW
ook   ;           ;                         ; UH K
oor   ;           ;                         ; AO R
oo    ;           ;                         ; UW
oar   ;           ;                         ; AO R
oa    ;           ;                         ; OW
oe    ;           ; s?$                     ; OW
oi    ;           ;                         ; OY
oy    ;           ;                         ; OY
or    ; VC+       ; s?$                     ; ER
orr   ;           ;                         ; AO R
or    ; w         ;                         ; ER
or    ;           ;                         ; AO R
old   ;           ;                         ; OW L D
olk   ;           ;                         ; OW K
oll   ;           ; $                       ; OW L
o     ;           ; (st|th)s?$              ; OW
on    ; VC+       ; s?$                     ; AH N
om    ; VC+       ; s?$                     ; AH M
o     ;           ; tion                    ; OW
o     ;           ; C(e|es|ed|ing|er|ers)$  ; OW
one   ;           ; s?$                     ; OW N
o     ;           ; s?$                     ; OW
o     ; VC+       ; C+V                     ; AH
o     ;           ; [aeiu]                  ; OW
o     ; ^C*       ; C[aeiou]                ; OW
o     ;           ;                         ; AA
ph    ;           ;                         ; F
pp    ;           ;                         ; P
ps    ; ^         ;                         ; S
pn    ; ^         ;                         ; N
p     ;           ;                         ; P
que   ;           ; s?$                     ; K
qu    ;           ;                         ; K W
q     ;           ;                         ; K
rh    ;           ;                         ; R
rr    ;           ;                         ; R
r     ;           ;                         ; R
ssion ;           ;                         ; SH AH N
ssi   ;           ; [ao]                    ; SH
ss    ;           ;                         ; S
sch   ; ^         ;                         ; SH
sci   ; V         ; [eo]                    ; SH
sc    ;           ; [eiy]                   ; S
sh    ;           ;                         ; SH
sion  ; V         ;                         ; ZH AH N
sion  ;           ;                         ; SH AH N
sure  ; V         ;                         ; ZH ER
sual  ;           ;                         ; ZH UW AH L
sten  ;           ; (s|ed|ing|er)?$         ; S AH N
stle  ;           ;                         ; S AH L
sm    ; V         ; s?$                     ; Z AH M
s     ; V         ; e?$                     ; Z
s     ; V         ; V                       ; Z
s     ; [bdglmnrvw]; $                       ; Z
s     ;           ;                         ; S
tch   ;           ;                         ; CH
thm   ;           ;                         ; DH AH M
the   ;           ; $                       ; DH
th    ; ^         ; (e|is|at|us|an$|ose|en|ere|ough); DH
th    ; V         ; er                      ; DH
th    ; V         ; ing                     ; DH
th    ;           ;                         ; TH
tion  ; s         ;                         ; CH AH N
tion  ;           ;                         ; SH AH N
tial  ;           ;                         ; SH AH L
tious ;           ;                         ; SH AH S
tient ;           ;                         ; SH AH N T
tia   ;           ;                         ; SH AH
ture  ;           ;                         ; CH ER
tual  ;           ;                         ; CH UW AH L
tu    ; V         ; a                       ; CH UW
tt    ;           ;                         ; T
tz    ;           ;                         ; T S
t     ;           ;                         ; T
ue    ; [gq]      ; s?$                     ;
ue    ;           ; s?$                     ; UW
ui    ; [brsj]    ;                         ; UW
ui    ;           ;                         ; UW IH
uy    ;           ;                         ; AY
urr   ;           ;                         ; ER
ure   ;           ; s?$                     ; Y UH R
ur    ;           ; V                       ; Y UH R
ur    ;           ;                         ; ER
ull   ;           ; $                       ; UH L
ul    ; VC+       ;                         ; AH L
um    ; VC+       ;                         ; AH M
us    ; VC+       ; $                       ; AH S
un    ; ^         ;                         ; AH N
uni   ; ^         ;                         ; Y UW N AH
u     ; [gq]      ; V                       ; W
u     ; [rljs]    ; C(e|es|ed|ing|er|a|o|i) ; UW
u     ; ^         ; C[aeiou]                ; Y UW
u     ; VC+       ; C[aeiou]                ; Y AH
u     ;           ; C[aeiou]                ; UW
u     ;           ; [aeio]                  ; UW
u     ;           ; $                       ; UW
u     ;           ;                         ; AH
vv    ;           ;                         ; V
v     ;           ;                         ; V
wh    ;           ; o                       ; HH
wh    ;           ;                         ; W
wr    ; ^         ;                         ; R
w     ;           ; V                       ; W
w     ;           ;                         ;
x     ; ^         ;                         ; Z
x     ; ^e        ; V                       ; G Z
x     ;           ;                         ; K S
you   ;           ;                         ; Y UW
y     ; ^         ; V                       ; Y
y     ; V         ; V                       ; Y
y     ; ^C+       ; $                       ; AY
y     ;           ; $                       ; IY
yer   ;           ; $                       ; ER
y     ;           ; C(e|es|ed|er)$          ; AY
y     ; ^C+       ; C[aeiou]                ; AY
y     ;           ;                         ; IH
zz    ;           ;                         ; Z
z     ; t         ;                         ; S
z     ;           ;                         ; Z
'     ;           ;                         ;
"""
