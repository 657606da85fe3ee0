using Distributed.Jobs;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Natives;
using static TorchSharp.torch;

namespace Distributed.Worker.Tasks;

/// <summary>Models in TorchScript files: code and parameters saved by Python. The code is executed and trusted like a program.</summary>
internal static class TorchScript
{
    /// <exception cref="PluginException">The file is missing, has another checksum than the job's, or is not TorchScript.</exception>
    /// <exception cref="LibtorchException">This libtorch cannot run it reproducibly.</exception>
    public static jit.ScriptModule<Tensor, Tensor> Load(TorchScriptSpec spec)
    {
        ScriptExecution.KeepPlain();
        try
        {
            return jit.load<Tensor, Tensor>(TorchScriptFile.Read(spec), CPU);
        }
        catch (JobException error)
        {
            throw new PluginException(error.Message, error);
        }
        // TorchSharp throws libtorch's errors as plain exceptions.
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            throw new PluginException($"model.file is '{spec.File}', which this libtorch cannot load as TorchScript: {FirstLine(error)}; "
                + "allowed: a file written by torch.jit.save", error);
        }
    }

    /// <summary>Saves a model in evaluation mode. An existing file is replaced only by a complete one.</summary>
    public static void Save(jit.ScriptModule model, string path)
    {
        var temporary = path + ".tmp";
        model.eval();
        try
        {
            jit.save(model, temporary);
        }
        catch (System.Runtime.InteropServices.ExternalException error)
        {
            throw new IOException($"'{path}' cannot be written: {FirstLine(error)}", error);
        }
        Durable.MoveFile(temporary, path);
    }

    private static string FirstLine(Exception error) => error.Message.Split('\n')[0].Trim().TrimEnd('.');
}
