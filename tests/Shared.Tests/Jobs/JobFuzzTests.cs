using System.Text;
using Distributed.Jobs;

namespace Distributed.Shared.Tests.Jobs;

/// <summary>Any input gives a job, or a <see cref="JobException"/> of one line that names its place.</summary>
public sealed class JobFuzzTests
{
    private static readonly Gen<string> _fragment = Gen.OneOf(
        Gen.OneOfConst("name", "model", "task", "seed", "1", "-", "- ", ": ", ":", "? ", "{", "}", "[", "]", ",",
            "&a ", "*a", "!t ", "\n", "\n  ",
            "---", "...", "%YAML 1.2\n", "%TAG ! x\n", "|", ">", "|2+\n",
            "#", "\"", "'", "\\x", "\\u12", "~", "null", "\t", "\r", "<<", "@", "`"),
        Gen.Char.Select(c => c.ToString()));

    [Fact]
    public void Random_bytes_are_a_job_or_a_clear_error() =>
        Gen.Byte.Array[0, 200].Sample(bytes => IsHandled(Encoding.UTF8.GetString(bytes)), iter: 20_000);

    [Fact]
    public void Random_YAML_is_a_job_or_a_clear_error() =>
        _fragment.Array[0, 40].Sample(parts => IsHandled(string.Concat(parts)), iter: 50_000);

    [Fact]
    public void A_mutated_job_is_a_job_or_a_clear_error() =>
        Gen.Select(JobGen.Job, Gen.Select(Gen.Double.Unit, Gen.Int[0, 20], _fragment).Array[1, 4]).Sample((job, edits) =>
            IsHandled(edits.Aggregate(JobFile.Format(job), (text, edit) =>
            {
                var at = (int)(edit.Item1 * text.Length);
                return text[..at] + edit.Item3 + text[Math.Min(text.Length, at + edit.Item2)..];
            })), iter: 20_000);

    [Fact]
    public void A_random_setting_is_a_job_or_a_clear_error() =>
        Gen.Select(Gen.OneOfConst("", "model=", "model.name=", "model.", "a.b="), _fragment.Array[0, 20]).Sample((start, parts) =>
            IsHandled("model: cnn", start + string.Concat(parts)), iter: 20_000);

    /// <summary>Texts for which YamlDotNet throws other exceptions than its own.</summary>
    [Theory]
    [InlineData("a: [1\nb: 2")]
    [InlineData("...\n - >")]
    [InlineData("...\n !")]
    [InlineData("!!g5([")]
    public void A_text_that_once_broke_the_parser_is_a_clear_error(string text) => IsHandled(text);

    [Theory]
    [InlineData("[")]
    [InlineData("{a: ")]
    [InlineData("- ")]
    [InlineData("? ")]
    [InlineData("a: ")]
    [InlineData("\"")]
    [InlineData("a\n")]
    [InlineData("&a [*a,")]
    [InlineData("a: |\n")]
    [InlineData("'' '")]
    [InlineData("{,")]
    public void The_largest_text_of_one_pattern_is_a_clear_error(string pattern) =>
        IsHandled(string.Concat(Enumerable.Repeat(pattern, 65_536 / pattern.Length)));

    private static void IsHandled(string yaml, params string[] settings)
    {
        try
        {
            Assert.NotNull(JobFile.Parse(yaml, "x.yaml", settings));
        }
        catch (JobException e)
        {
            Assert.Matches("^(x.yaml:[0-9]+|--set .*): .+$", e.Message);
            Assert.DoesNotContain('\n', e.Message);
        }
    }
}
