#!/bin/sh
# Speaks the prompts of mailboxes whose `made_by` is this file, with espeak-ng and sox: trimmed, high-passed, -3 dBFS.
#
#     sh prompts/make_voicemail.sh
set -eu
cd "$(dirname "$0")"
speak() { # folder, voice, id, text, words per minute
    espeak-ng -v "$2" -s "$5" -w /tmp/"$3".wav "$4"
    sox /tmp/"$3".wav -b 16 -r 8000 -c 1 "$1/$3.wav" gain -6 highpass 120 silence 1 0.005 -46d reverse \
        silence 1 0.005 -46d reverse pad 0.02 0.02 gain -n -3
    rm /tmp/"$3".wav
}
say() { # id, Chinese, English
    speak zh-CN cmn "$1" "$2" 240
    speak en en-us "$1" "$3" 165
}
say vm_count_pre "您有" "You have"
say vm_count_post "条新留言" "new messages"
say vm_none "没有留言" "No messages"
say vm_from "来自" "from"
say vm_menu "重听请按一，保留请按二，删除请按三，下一条请按井号键，退出请按星号键" "To hear it again press one, to keep it press two, to delete it press three, for the next one press hash, to leave press star"
say vm_end "没有更多留言，再见" "No more messages. Goodbye"
say vm_full "语音信箱已满，请稍后再拨" "The mailbox is full. Please call again later"
