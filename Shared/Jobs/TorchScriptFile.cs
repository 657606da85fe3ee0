using System.Security.Cryptography;
using Distributed.Jobs.Runs;

namespace Distributed.Jobs;

/// <summary>
/// The file of a job whose model is TorchScript. Its sum becomes a part of the job when a run begins, so that every worker, and every
/// later run of the same job, has the same file or none.
/// </summary>
internal static class TorchScriptFile
{
    /// <summary>Bytes that a file may have: it is one array.</summary>
    public const long MaxBytes = 1L << 30;

    /// <summary>The job with the sum of its file. A job with a sum may lack the file here, since others compute with it.</summary>
    /// <exception cref="JobException">There is no such file, or it is another one.</exception>
    public static Job Resolve(Job job)
    {
        if (job.Model is not TorchScriptSpec script || (script.Sha256 is not null && !File.Exists(script.File))) return job;
        return job with { Model = script with { Sha256 = SumOf(Read(script)) } };
    }

    /// <summary>The job of a finished run, whose model is the file that the run has left: the same code, trained.</summary>
    /// <exception cref="JobException">There is no file that the model could be made from.</exception>
    public static Job OfRun(Job job, string runFolder)
    {
        var trained = Path.GetFullPath(Path.Combine(runFolder, RunFiles.TorchScript));
        return Resolve(job.Model is TorchScriptSpec script && File.Exists(trained) ? job with { Model = script with { File = trained, Sha256 = null } } : job);
    }

    /// <summary>The bytes of the file.</summary>
    /// <exception cref="JobException">It is not there, too large, or not the one with the job's sum.</exception>
    public static byte[] Read(TorchScriptSpec script)
    {
        ArgumentNullException.ThrowIfNull(script);
        byte[] bytes;
        try
        {
            var file = new FileInfo(script.File);
            if (!file.Exists)
            {
                throw new JobException($"model.file is '{script.File}', which does not exist, seen from {Environment.CurrentDirectory}; "
                    + "allowed: the path of a TorchScript file, the same on every worker");
            }
            if (file.Length > MaxBytes) throw new JobException($"model.file is '{script.File}', which has {file.Length} bytes; allowed: at most {MaxBytes}");
            bytes = File.ReadAllBytes(script.File);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new JobException($"model.file is '{script.File}', which cannot be read: {error.Message}", error);
        }
        return script.Sha256 is { } expected && SumOf(bytes) is var found && found != expected
            ? throw new JobException($"model.file is '{script.File}', whose SHA-256 is {found}; the job was begun with {expected}: copy that file here")
            : bytes;
    }

    private static string SumOf(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
