using System.IO.Hashing;
using System.Text;

namespace Distributed.Jobs;

/// <summary>Jobs as YAML: read strictly from what a user wrote, written canonically for the workers.</summary>
internal static class JobFile
{
    /// <summary>Characters that a job file may have.</summary>
    public const int MaxLength = YamlReader.MaxLength;

    /// <summary>
    /// Reads a job. Keys that are unknown, given twice, missing or hold what is not allowed are refused, the first of them with its
    /// line, what was found and what is allowed.
    /// </summary>
    /// <param name="yaml">The text of the job; at most 65536 characters, nested at most 8 levels deep, in one document without
    /// anchors, aliases or tags.</param>
    /// <param name="fileName">The name of the text in errors.</param>
    /// <param name="overrides">Settings that take the place of the text's, in order, each "key.path=value" with a value in YAML:
    /// "optimizer.learning-rate=0.1", "model={name: cnn, dropout: 0.2}", "clip-norm=null".</param>
    /// <returns>The job with every default resolved.</returns>
    /// <exception cref="JobException">The text or a setting is not valid.</exception>
    public static Job Parse(string yaml, string fileName, IEnumerable<string>? overrides = null)
    {
        ArgumentNullException.ThrowIfNull(yaml);
        var root = YamlReader.Read(yaml, line => $"{fileName}:{line}");
        var job = root as YamlMap
            ?? throw root.Fault($"the job is {root.Found}; allowed: keys with values, such as \"task: classification\"");
        return FieldReader.Read((overrides ?? []).Aggregate(job, Overrides.Apply), "", fields => JobKeys.Job(fields, null));
    }

    /// <param name="path">Where it is.</param>
    /// <param name="overrides">Settings that replace those of the file, see <see cref="Parse"/>.</param>
    /// <exception cref="JobException">It is too long, or holds no job.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static Job Load(string path, IEnumerable<string>? overrides = null) => new FileInfo(path).Length is var length && length > MaxLength
        ? throw new JobException($"'{path}' has {length} bytes; a job file has at most {MaxLength}")
        : Parse(File.ReadAllText(path), path, overrides);

    /// <summary>
    /// The canonical text of a job: every key, in one order and one form, so that equal jobs have equal texts. It parses to an
    /// equal job.
    /// </summary>
    /// <exception cref="JobException">The job, made in code, holds what is not allowed.</exception>
    public static string Format(Job job)
    {
        ArgumentNullException.ThrowIfNull(job);
        var yaml = new StringBuilder();
        JobKeys.Job(new FieldWriter(yaml, "", 0), job);
        return yaml.ToString();
    }

    /// <summary>The identity of a job, carried by every frame of its data: the XxHash3 (64 bits) of its canonical text in UTF-8.</summary>
    /// <exception cref="JobException">The job, made in code, holds what is not allowed.</exception>
    public static ulong Fingerprint(Job job) => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(Format(job)));
}
