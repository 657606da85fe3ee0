using System.Globalization;
using Distributed.Jobs;

namespace Distributed.Shared.Tests.Processes;

public sealed class ShownTests
{
    /// <summary>Hostile text: control sequences, line breaks, characters that reverse the order, lone surrogates.</summary>
    public static Gen<string> Hostile { get; } = Gen.OneOf(
        Gen.String, Gen.String[Gen.Char['\0', '\u009f'], 0, 200],
            Gen.String[Gen.Char['\u2000', '\u206f'], 0, 50], Gen.String[Gen.Char['\ud7f0', '\ue010'], 0, 20],
        Gen.OneOfConst("\u001b[2J\u001b[1;31mFORGED: Test accuracy 100.00 %\r\n",
            "a\nb\rc\u0085d\u2028e\u2029f", "\u202egnp.exe", "ünïcödé 漢字 😀", ""))
        .Array[0, 4].Select(string.Concat);

    [Fact]
    public void Shown_text_is_one_line_without_control_characters() => Hostile.Sample(text =>
    {
        Assert.All((string[])[Shown.InFull(text), Shown.Of(text), Shown.InFull(text, 100)], HasOneLineToBeSeen);
        Assert.InRange(Shown.Of(text).Length, 0, 63);
        Assert.InRange(Shown.InFull(text, 100).Length, 0, 103);
        Assert.Equal(Shown.InFull(text), Shown.InFull(Shown.InFull(text)));
        foreach (var (number, line) in Shown.Indented(text, 1000).Split('\n').Index())
        {
            HasOneLineToBeSeen(line);
            Assert.True(number == 0 || line.StartsWith("    ", StringComparison.Ordinal));
        }
    });

    [Theory]
    [InlineData("worker-1 has left: it was told to stop", "worker-1 has left: it was told to stop")]
    [InlineData("größer als 漢字 und 😀", "größer als 漢字 und 😀")]
    [InlineData("done\r\nFORGED: Test accuracy 100.00 %", "done  FORGED: Test accuracy 100.00 %")]
    [InlineData("\u001b[2Jgone\u009b31m\a\u202e\u200b", "?[2Jgone?31m???")]
    public void Visible_characters_are_kept(string text, string shown) => Assert.Equal(shown, Shown.InFull(text));

    internal static void HasOneLineToBeSeen(string text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            var isHidden = System.Text.Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format
                or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
            Assert.False(isHidden, $"U+{rune.Value:X4}");
        }
    }
}
