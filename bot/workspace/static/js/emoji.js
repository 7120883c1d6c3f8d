// Which characters do emoji names stand for? The ones a chat about operations uses; others stay as their :name:.

export const EMOJI = {
  "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", eyes: "👀", white_check_mark: "✅", heavy_check_mark: "✔️",
  ballot_box_with_check: "☑️", x: "❌", no_entry: "⛔", no_entry_sign: "🚫", warning: "⚠️", rotating_light: "🚨",
  bulb: "💡", fire: "🔥", tada: "🎉", rocket: "🚀", wrench: "🔧", hammer: "🔨", gear: "⚙️", mag: "🔍",
  hourglass: "⌛", hourglass_flowing_sand: "⏳", stopwatch: "⏱️", alarm_clock: "⏰", lock: "🔒", unlock: "🔓", key: "🔑",
  shield: "🛡️", red_circle: "🔴", large_yellow_circle: "🟡", large_orange_circle: "🟠", large_green_circle: "🟢",
  large_blue_circle: "🔵", white_circle: "⚪", black_circle: "⚫", question: "❓", grey_question: "❔",
  exclamation: "❗", information_source: "ℹ️", memo: "📝", clipboard: "📋", page_facing_up: "📄",
  chart_with_upwards_trend: "📈", chart_with_downwards_trend: "📉", bar_chart: "📊", link: "🔗", pushpin: "📌",
  calendar: "📅", package: "📦", robot_face: "🤖", stethoscope: "🩺", hospital: "🏥", ambulance: "🚑", pill: "💊",
  speech_balloon: "💬", bell: "🔔", no_bell: "🔕", mega: "📣", loudspeaker: "📢", wave: "👋", pray: "🙏",
  raised_hands: "🙌", clap: "👏", muscle: "💪", thinking_face: "🤔", smile: "😄", slightly_smiling_face: "🙂",
  joy: "😂", heart: "❤️", star: "⭐", sparkles: "✨", zap: "⚡", boom: "💥", bug: "🐛", recycle: "♻️",
  arrow_right: "➡️", arrow_left: "⬅️", arrow_up: "⬆️", arrow_down: "⬇️", leftwards_arrow_with_hook: "↩️",
  rewind: "⏪", fast_forward: "⏩", arrow_forward: "▶️", double_vertical_bar: "⏸️", black_square_for_stop: "⏹️",
  computer: "💻", desktop_computer: "🖥️", satellite: "🛰️", globe_with_meridians: "🌐", electric_plug: "🔌",
  construction: "🚧", octagonal_sign: "🛑", stop_sign: "🛑", green_heart: "💚", broken_heart: "💔", crescent_moon: "🌙",
  small_red_triangle: "🔺", small_blue_diamond: "🔹", small_orange_diamond: "🔸", white_medium_square: "◻️",
  checkered_flag: "🏁", house: "🏠", books: "📚", book: "📖", telescope: "🔭", microscope: "🔬", scroll: "📜",
  receipt: "🧾", broom: "🧹", snowflake: "❄️", coffee: "☕", hand: "✋", raised_hand: "✋", ok_hand: "👌", point_right: "👉",
};

export const emoji = (name) => EMOJI[name] ?? `:${name}:`;
