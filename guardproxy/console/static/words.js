// The console's words, in each language it speaks. A word that is missing in one is a failed test.
const en = {
  page_live: "Live", page_inbox: "Inbox", page_policy: "Policy", page_try: "Try", page_traffic: "Traffic",
  pages: "Pages", skip: "Skip to the page", language: "Language", light: "Light colours", dark: "Dark colours",
  sign_out: "Sign out", sign_in: "Sign in", sign_in_title: "guardproxy console", token: "Admin token",
  sign_in_note: "The token is GUARDPROXY_ADMIN_TOKEN of this server.", your_name: "Your name, for colleagues",
  offline: "The server does not answer. It is asked again.", failed: "This could not be loaded",
  try_again: "Try again", loading: "Loading", stale: "Not up to date", copy: "Copy", copied: "Copied",
  close: "Close", details: "Details", save: "Save", download: "Download", clear: "Clear", none: "none", now: "Now",
  seconds: "{n} s", minutes: "{n} min", hours: "{n} h {m} min", days: "{n} d",

  headline: "At a glance", contained: "Contained", contained_note: "by the bot alone", escalated: "Escalated",
  escalated_note: "to a person", waiting_now: "Waiting now", oldest: "oldest {age}", nobody_waits: "Nobody waits",
  blocked: "Off-topic blocked", blocked_note: "kept to business", waiting_n: "{n} waiting",

  verdict_allow: "Allowed", verdict_rewrite: "Rewritten", verdict_redirect: "Redirected", verdict_escalate: "To a person",
  verdict_throttle: "Slowed down", verdict_drop: "Not answered",
  verdict: "Verdict", rule: "Rule", score: "Score", score_hint: "How likely it is that this must not be served, 0 to 1",
  topic: "Topic", policy: "Policy", when: "When", decision: "Decision", decisions: "Decisions", business: "Business",
  all_businesses: "All businesses", all_verdicts: "All verdicts", search: "Search", search_hint: "Words, rule, topic",
  line_connecting: "Connecting", line_live: "Live", line_lost: "Connection lost, trying again",
  hold: "Pause", go_on: "Go on ({n} new)", missed: "{n} decisions came faster than this page could show them; the store has them.",
  nothing_yet: "Nothing yet", nothing_yet_note: "Decisions show here the moment they are made.",
  none_fits: "No decision fits", none_fits_note: "Change the filters to see others.", more: "Show more ({n})",
  no_words: "No words are kept of this one", choose_decision: "Choose a decision to see why it was made.", why: "Why",
  not_served: "another revision is served now", steps: "Steps", stage: "Stage", outcome: "Outcome", found: "Found",
  shadow: "shadow", refused_draft: "The answer that was refused", try_this: "Open in Try",
  is_it_right: "Was this right?", right: "Right", wrong: "Wrong", should_have_been: "It should have been",
  marked_right: "Marked right", marked_wrong: "Marked wrong: should have been “{verdict}”", unmark: "Take the mark back",
  mark_right: "right", mark_wrong: "wrong", as_test: "As a test for the policy’s tests:", no_test: "No words were kept, so no test can be made of it.",
  marks: "Marks:", marks_yaml: "as policy tests (YAML)", marks_jsonl: "as rows for eval (JSONL)",
  keys_move: "move", keys_hold: "pause", keys_close: "close", keys_reply: "reply",

  nobody_waits_note: "When a customer asks for a person, the case shows here without a reload.",
  choose_case: "Choose a case to read and answer it.", case: "Case", status_open: "waiting", status_taken: "taken",
  status_resolved: "resolved", late: "over SLA", asked_n: "asked {n} times", customer: "Customer", waits: "Age", status: "State",
  window: "Reply until", summary: "Summary", transcript: "Conversation", no_transcript: "No words are kept of this conversation.",
  who_customer: "Customer", who_bot: "Bot", who_person: "Colleague", suggestion: "Suggested reply", use: "Use it",
  your_reply: "Your reply", send: "Send", sent_as_person: "Sent as a person: not checked, but recorded.",
  window_closed: "Over 24 hours since the customer wrote: call them, or send an approved template.",
  no_number: "This conversation has no WhatsApp number here: answer where it came from.",
  actions: "What to do", take: "Take", take_over: "Take it over", resolve: "Resolve", hand_back: "Hand back",
  done_take: "It is yours; the bot stays silent.", done_resolve: "Resolved; the bot goes on.",
  "done_hand-back": "Handed back to the bot.", done_reply: "Sent.",

  topics: "What the bot is for", refused: "What it refuses", ways: "Ways to a person", channel: "Channel", kind: "Kind",
  target: "Where", open: "open", closed: "closed", else: "Else", limits: "Limits", no_limits: "No limits.",
  limit_line: "{max} {of} in {span} per {per}", of_messages: "messages", of_tokens: "tokens", per_user: "customer",
  per_conversation: "conversation", per_business: "business", per_key: "caller key",
  tests: "Tests", run_tests: "Run tests", tests_note: "Run the policy’s own tests against what is served now.",
  passed: "{n} of {all} tests passed, {share}% of parts tried", untried: "No test tries", known: "known",
  changes: "Last change", no_changes: "Nothing has changed since this server started.", broken_title: "The file on disk is not served",
  stale_policy: "The policy file on disk is broken; its last good state is served.", warnings: "Warnings",
  no_warnings: "No warnings.", revision: "Revision", mode: "Mode", mode_enforce: "enforced", mode_shadow: "shadow: decides, records, never acts",
  languages: "Languages", timezone: "Time zone", file: "File", effective: "The effective policy, and where each line comes from",

  try_note: "Nothing said here is counted, remembered or sent to a model.", phone: "Phone", messages: "Messages",
  try_hint: "Type what a customer would write, and see what the guard makes of it.", who_speaks: "Who speaks",
  message: "Message", type_message: "Type a message", start_over: "Start over", model_answers: "The model would answer this.",
  why_empty: "Why", why_empty_note: "The verdict’s reasons show here.", nearest: "Nearest lines of the policy", resembles: "resembles",
  thresholds: "in scope below {low}, off scope from {high}", save_as_test: "Save as test", saved: "Saved", saved_tests: "Saved tests ({n})",

  last_hour: "The last hour", chart: "Decisions in the last hour by verdict, ten seconds a point; the totals stand in the table below",
  chart_soon: "The chart needs a minute", chart_soon_note: "It draws a point every ten seconds from when this server started.",
  rules: "Rules that decided", surfaces: "Where turns came from", latency: "Time", clock: "Time spent", guard_itself: "guardproxy itself",
  llm: "LLM backend", latency_note: "All businesses together.", upstream_outcomes: "How LLM calls ended", quota: "Free service messages this month",
  of_free: "of {n} free", over_free: "Over the free ones: Meta charges for the rest.", quota_note: "Sent by all numbers of the business.",
  no_number_here: "No WhatsApp number is served here.", tokens: "Tokens", tokens_llm: "Answered turns", tokens_judge: "LLM judge",
  store_lost: "The store does not answer.", since_start: "All totals since this server started. Prometheus reads the same counters:",
};

const id = {
  page_live: "Langsung", page_inbox: "Kotak masuk", page_policy: "Kebijakan", page_try: "Coba", page_traffic: "Lalu lintas",
  pages: "Halaman", skip: "Langsung ke halaman", language: "Bahasa", light: "Warna terang", dark: "Warna gelap",
  sign_out: "Keluar", sign_in: "Masuk", sign_in_title: "Konsol guardproxy", token: "Token admin",
  sign_in_note: "Tokennya adalah GUARDPROXY_ADMIN_TOKEN pada server ini.", your_name: "Nama Anda, untuk rekan kerja",
  offline: "Server tidak menjawab. Akan ditanyakan lagi.", failed: "Ini tidak dapat dimuat",
  try_again: "Coba lagi", loading: "Memuat", stale: "Belum terbaru", copy: "Salin", copied: "Tersalin",
  close: "Tutup", details: "Rincian", save: "Simpan", download: "Unduh", clear: "Kosongkan", none: "tidak ada", now: "Sekarang",
  seconds: "{n} dtk", minutes: "{n} mnt", hours: "{n} jam {m} mnt", days: "{n} hari",

  headline: "Sekilas", contained: "Tertangani", contained_note: "diselesaikan oleh bot", escalated: "Dieskalasi",
  escalated_note: "diserahkan ke orang", waiting_now: "Sedang menunggu", oldest: "terlama {age}", nobody_waits: "Tidak ada yang menunggu",
  blocked: "Di luar topik diblokir", blocked_note: "dijaga pada urusan bisnis", waiting_n: "{n} menunggu",

  verdict_allow: "Diizinkan", verdict_rewrite: "Diubah", verdict_redirect: "Dialihkan", verdict_escalate: "Ke orang",
  verdict_throttle: "Diperlambat", verdict_drop: "Tidak dijawab",
  verdict: "Putusan", rule: "Aturan", score: "Skor", score_hint: "Seberapa mungkin ini tidak boleh dilayani, 0 sampai 1",
  topic: "Topik", policy: "Kebijakan", when: "Waktu", decision: "Keputusan", decisions: "Keputusan", business: "Bisnis",
  all_businesses: "Semua bisnis", all_verdicts: "Semua putusan", search: "Cari", search_hint: "Kata, aturan, topik",
  line_connecting: "Menyambung", line_live: "Langsung", line_lost: "Sambungan putus, mencoba lagi",
  hold: "Jeda", go_on: "Lanjut ({n} baru)", missed: "{n} keputusan datang lebih cepat daripada yang dapat ditampilkan; semuanya tersimpan.",
  nothing_yet: "Belum ada apa-apa", nothing_yet_note: "Keputusan tampil di sini begitu dibuat.",
  none_fits: "Tidak ada keputusan yang cocok", none_fits_note: "Ubah saringan untuk melihat yang lain.", more: "Tampilkan lagi ({n})",
  no_words: "Kata-katanya tidak disimpan", choose_decision: "Pilih keputusan untuk melihat alasannya.", why: "Alasan",
  not_served: "kini revisi lain yang berlaku", steps: "Langkah", stage: "Tahap", outcome: "Hasil", found: "Temuan",
  shadow: "bayangan", refused_draft: "Jawaban yang ditolak", try_this: "Buka di Coba",
  is_it_right: "Apakah ini benar?", right: "Benar", wrong: "Salah", should_have_been: "Seharusnya",
  marked_right: "Ditandai benar", marked_wrong: "Ditandai salah: seharusnya “{verdict}”", unmark: "Batalkan tanda",
  mark_right: "benar", mark_wrong: "salah", as_test: "Sebagai uji untuk tests: kebijakan", no_test: "Kata-katanya tidak disimpan, jadi tidak dapat dijadikan uji.",
  marks: "Tanda:", marks_yaml: "sebagai uji kebijakan (YAML)", marks_jsonl: "sebagai baris eval (JSONL)",
  keys_move: "pindah", keys_hold: "jeda", keys_close: "tutup", keys_reply: "balas",

  nobody_waits_note: "Saat pelanggan meminta orang, kasusnya tampil di sini tanpa memuat ulang.",
  choose_case: "Pilih kasus untuk dibaca dan dijawab.", case: "Kasus", status_open: "menunggu", status_taken: "diambil",
  status_resolved: "selesai", late: "lewat SLA", asked_n: "meminta {n} kali", customer: "Pelanggan", waits: "Umur", status: "Keadaan",
  window: "Balas sampai", summary: "Ringkasan", transcript: "Percakapan", no_transcript: "Percakapan ini tidak disimpan kata-katanya.",
  who_customer: "Pelanggan", who_bot: "Bot", who_person: "Rekan", suggestion: "Saran balasan", use: "Pakai",
  your_reply: "Balasan Anda", send: "Kirim", sent_as_person: "Dikirim sebagai orang: tidak diperiksa, tetapi dicatat.",
  window_closed: "Lebih dari 24 jam sejak pelanggan menulis: telepon, atau kirim templat yang disetujui.",
  no_number: "Percakapan ini tidak punya nomor WhatsApp di sini: jawab di tempat asalnya.",
  actions: "Tindakan", take: "Ambil", take_over: "Ambil alih", resolve: "Selesai", hand_back: "Kembalikan",
  done_take: "Ini milik Anda; bot diam.", done_resolve: "Selesai; bot melanjutkan.",
  "done_hand-back": "Dikembalikan ke bot.", done_reply: "Terkirim.",

  topics: "Untuk apa bot ini", refused: "Yang ditolak", ways: "Jalan ke orang", channel: "Saluran", kind: "Jenis",
  target: "Ke mana", open: "buka", closed: "tutup", else: "Jika tidak", limits: "Batas", no_limits: "Tanpa batas.",
  limit_line: "{max} {of} dalam {span} per {per}", of_messages: "pesan", of_tokens: "token", per_user: "pelanggan",
  per_conversation: "percakapan", per_business: "bisnis", per_key: "kunci pemanggil",
  tests: "Uji", run_tests: "Jalankan uji", tests_note: "Jalankan uji milik kebijakan terhadap yang berlaku sekarang.",
  passed: "{n} dari {all} uji lulus, {share}% bagian dicoba", untried: "Belum diuji", known: "diketahui",
  changes: "Perubahan terakhir", no_changes: "Tidak ada perubahan sejak server ini mulai.", broken_title: "Berkas di disk tidak dipakai",
  stale_policy: "Berkas kebijakan di disk rusak; keadaan baik terakhir yang berlaku.", warnings: "Peringatan",
  no_warnings: "Tidak ada peringatan.", revision: "Revisi", mode: "Mode", mode_enforce: "ditegakkan", mode_shadow: "bayangan: memutuskan, mencatat, tidak bertindak",
  languages: "Bahasa", timezone: "Zona waktu", file: "Berkas", effective: "Kebijakan yang berlaku, dan asal setiap baris",

  try_note: "Yang dikatakan di sini tidak dihitung, tidak diingat, dan tidak dikirim ke model.", phone: "Telepon", messages: "Pesan",
  try_hint: "Ketik yang akan ditulis pelanggan, dan lihat putusan penjaga.", who_speaks: "Siapa yang berbicara",
  message: "Pesan", type_message: "Ketik pesan", start_over: "Mulai lagi", model_answers: "Model akan menjawab ini.",
  why_empty: "Alasan", why_empty_note: "Alasan putusan tampil di sini.", nearest: "Baris kebijakan terdekat", resembles: "menyerupai",
  thresholds: "dalam lingkup di bawah {low}, di luar mulai {high}", save_as_test: "Simpan sebagai uji", saved: "Tersimpan", saved_tests: "Uji tersimpan ({n})",

  last_hour: "Satu jam terakhir", chart: "Keputusan satu jam terakhir menurut putusan, sepuluh detik per titik; jumlahnya ada di tabel di bawah",
  chart_soon: "Grafik perlu semenit", chart_soon_note: "Satu titik setiap sepuluh detik sejak server ini mulai.",
  rules: "Aturan yang memutuskan", surfaces: "Asal giliran", latency: "Waktu", clock: "Waktu terpakai", guard_itself: "guardproxy sendiri",
  llm: "Layanan LLM", latency_note: "Semua bisnis bersama.", upstream_outcomes: "Akhir panggilan LLM", quota: "Pesan layanan gratis bulan ini",
  of_free: "dari {n} gratis", over_free: "Melebihi yang gratis: Meta menagih sisanya.", quota_note: "Dikirim oleh semua nomor bisnis.",
  no_number_here: "Tidak ada nomor WhatsApp di sini.", tokens: "Token", tokens_llm: "Giliran terjawab", tokens_judge: "Hakim LLM",
  store_lost: "Penyimpanan tidak menjawab.", since_start: "Semua jumlah sejak server ini mulai. Prometheus membaca penghitung yang sama:",
};

const WORDS = { en, id };
export const languages = { en: "English", id: "Bahasa Indonesia" };
let spoken = "en";

export const language = () => spoken;
export const locale = () => (spoken === "id" ? "id-ID" : "en-GB");
export const has = (key) => key in en;

export function speak(code) {
  spoken = WORDS[code] ? code : "en";
  document.documentElement.lang = spoken;
  try {
    localStorage.setItem("guardproxy.language", JSON.stringify(spoken));
  } catch {
    // storage is off: the language holds until the page closes
  }
}

export function t(key, values = {}) {
  const text = WORDS[spoken][key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
